"""The service: HTTP, page, stream, and the records of what was scanned. Needs the extra ``[serve]``."""
