"""Sources: archives, folders of pages, and tables of texts."""
