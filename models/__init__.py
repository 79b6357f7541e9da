"""How the reference lesion detector is made: data, training, the Keras twin, export and figures. Not in the wheel."""
