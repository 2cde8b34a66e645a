"""Files at object stores and other servers, by their URLs: named, read whole, put whole or not at all."""
