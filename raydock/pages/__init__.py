"""HTML pages with one look, for the sign-in page, the report and the docs: colours.css and page.css define it."""
