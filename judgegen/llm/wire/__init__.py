"""What goes over the wire and comes back, as servers of every family have it. Knows no provider."""
