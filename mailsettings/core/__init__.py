"""Pure decisions about senders and connections: no Django, no input or output, no clock."""
