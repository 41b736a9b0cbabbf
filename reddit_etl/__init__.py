"""From Reddit to a data lake, through a transformation, into a warehouse: the library, without a scheduler.

Functions and small classes with keyword arguments. Nothing here imports luigi or reads a configuration file.
"""
