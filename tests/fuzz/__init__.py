"""Generated requests against a gateway process: whatever is sent, only the listed answers may be a 5xx."""
