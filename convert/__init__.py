"""The workshop: from a trained network to a bundle that the runtime takes. Heavy imports; never imported by edge."""
