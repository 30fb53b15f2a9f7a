"""What every request passes before its handler and every answer after it: `line` is the coroutine, which calls the
others, one file each. None of them wraps or touches a stream."""
