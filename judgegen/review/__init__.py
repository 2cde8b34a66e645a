"""A judge before one's own eyes: a queue of pairs, a page on this machine to label them blind, the labels on disk."""
