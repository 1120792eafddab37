"""The study of exactness: many kinds of model, six tables, every row that a careless graph gets wrong."""
