"""Who shared what with whom: accounts, groups and the whole server, libraries and folders."""
