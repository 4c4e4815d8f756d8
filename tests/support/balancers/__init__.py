"""Load balancers of Debian before services: the real programs with the files of deploy/, and other addresses."""
