"""Finding things: strips of membrane, lanes across them, bands along lanes, rows across lanes."""
