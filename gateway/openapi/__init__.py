"""The OpenAPI document of everything that is served. Nothing here is imported before somebody asks for the document."""
