"""A comparison of a network: sections for text and page, the page, the JSON record."""
