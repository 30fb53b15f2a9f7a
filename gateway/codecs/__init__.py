"""Pure translation between the dialects of clients and the one of backends: no I/O, no clock but what is passed in."""
