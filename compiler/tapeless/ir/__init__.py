"""The graph that everything is made of: columns of scalar nodes, programs over them, and the primitives."""
