"""Studies of a judge: put before people's labels, and before hostile texts."""
