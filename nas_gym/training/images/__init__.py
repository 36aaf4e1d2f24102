"""Training of networks for images: data sets, recipes, the loop."""
