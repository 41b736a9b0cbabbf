"""From Reddit to a data lake, through a transformation, into a warehouse: the work itself, without a scheduler.

Plain functions and small classes with keyword arguments. Nothing here imports luigi or reads a configuration file.
"""
