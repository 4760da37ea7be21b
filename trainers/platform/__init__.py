"""What the trainers have from tf-models-official where it can be used, and else of their own.

A module here gives the same names with both. `own` has this project's implementation, which runs on
Keras 3 too; its docstrings say where it differs. All other modules of the trainers of
classifiers import from here, and none asks which of the two it has.
"""
