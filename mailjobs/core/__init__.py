"""Pure decisions about one mail: no Django, no input or output, no clock."""
