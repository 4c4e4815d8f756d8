"""The files of deploy/ for bare machines."""
