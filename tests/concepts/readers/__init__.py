"""Every reader against files written by other libraries or by hand."""
