"""The record: sessions, their edits and history, manifests of output folders, and what differs between two."""
