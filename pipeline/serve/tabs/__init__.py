"""The tabs of the preview application: each a function that is called where its components shall stand."""
