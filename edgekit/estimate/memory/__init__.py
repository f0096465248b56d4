"""Peak memory of one inference, from the tensor lifetimes of the graph as each runtime plans them."""
