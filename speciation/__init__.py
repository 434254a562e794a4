"""The science of evolving transformers that grok: values in, values out."""
