"""Every figure that the README or a note claims is printed by a module of this folder."""
