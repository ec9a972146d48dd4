"""What a template says once its placeholders have their values; the language of templates belongs to the print models."""

from mailsettings.core.placeholders import MAX_OUTPUT, TemplateTooLarge, VariableInvalid, VariableMissing, names, render

__all__ = ["MAX_OUTPUT", "TemplateTooLarge", "VariableInvalid", "VariableMissing", "names", "render"]
