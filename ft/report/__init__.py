"""Pages and texts: of a comparison, of a training, of a data set, of the catalogue."""
