"""Clients that send too much, too long, or read too little, at a gateway with others."""
