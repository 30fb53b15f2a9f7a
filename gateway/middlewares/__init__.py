"""What every request passes before its handler and every answer after it; one file each, outermost first: request_id,
access_log, metrics, errors, origin, authentication, size_limit. None of them wraps or touches a stream."""
