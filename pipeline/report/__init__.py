"""What people look at: the page, and one image's way through the stages."""
