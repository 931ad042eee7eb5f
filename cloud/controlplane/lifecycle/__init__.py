"""The clusters' lifecycle: state, operations and the tasks that reconcile nodes with them."""
