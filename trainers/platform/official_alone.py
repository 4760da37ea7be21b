"""Imported first by what is made of tf-models-official: raises TrainersError without it."""

from trainers import keras_choice

keras_choice.require_official("this kind of experiment")
