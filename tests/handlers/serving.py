"""What the tests of our own endpoints share."""

API_KEY = "key-of-the-gateway"
WITH_KEY = {"Authorization": f"Bearer {API_KEY}"}
