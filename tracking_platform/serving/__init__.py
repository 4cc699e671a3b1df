"""How the platform is served: the processes and the way from the socket to Django."""
