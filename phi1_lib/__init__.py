"""phi1_lib: the phi-1 pipeline, small enough to read.

The folders are the pipeline of "Textbooks Are All You Need" (arXiv 2306.11644). Importing this
package imports neither torch nor triton: each part brings in what it needs.
"""

__version__ = "0.3.0"
