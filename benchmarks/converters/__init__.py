"""The converter on real models, beside the plain tools: the tables of docs/converter.md."""
