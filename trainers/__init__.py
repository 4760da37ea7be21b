"""Models, data, the training engine and its tasks; run from a checkout.

Importing this package chooses the Keras behind `tf.keras`; see `trainers.keras_choice`.
"""

from trainers import keras_choice

keras_choice.choose()
