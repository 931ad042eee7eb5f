"""The common design of the sign-in page, the report and the docs, defined in colours.css and page.css."""
