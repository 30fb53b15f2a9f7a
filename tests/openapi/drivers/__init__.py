"""Programs that call a gateway through clients generated from its document, and print what they got as JSON."""
