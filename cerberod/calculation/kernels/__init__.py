"""What turns params into results by way of `analytics`. Imported when first needed: everything here needs numpy."""
