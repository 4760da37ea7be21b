"""Federated averaging, in docs/recipes.md: weights and moving averages of clients."""

import numpy as np
import pytest
import tensorflow as tf

import evonorm_tf as en
from tests.evonorm_tf.recipes import (
    BOTH,
    COUNT,
    LABELS,
    OF_ONE_EXAMPLE,
    classifier,
    difference,
    images,
    step,
    trained,
    variables,
)

pytestmark = pytest.mark.one_environment


def averaged(clients, counts):
    weights = zip(*(client.get_weights() for client in clients), strict=True)
    return [np.average(each, axis=0, weights=counts) for each in weights]


@pytest.mark.parametrize("name", BOTH)
def test_a_step_of_each_client_is_a_step_of_all_their_data(name):
    x, counts = images(), [1, 2, 3]
    clients = [classifier(name) for _ in counts]
    for client, part in zip(clients, np.split(np.arange(COUNT), [1, 3]), strict=True):
        step(client, x[part], LABELS[part])
    server, central = classifier(name), classifier(name)
    server.set_weights(averaged(clients, counts))
    step(central, x, LABELS)
    found = difference(trained(server), trained(central))
    assert found < 1e-5 if name in OF_ONE_EXAMPLE else found > 0.01


@pytest.mark.parametrize("name", OF_ONE_EXAMPLE)
def test_layers_without_batch_statistics_have_no_other_state(name):
    model = classifier(name)
    assert model.non_trainable_weights == []
    before = model.get_weights()
    model(images(), training=True)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def moving(model):
    return [np.array(tf.convert_to_tensor(weight)) for weight in model.non_trainable_weights]


def test_moving_averages_are_averaged_too_or_kept():
    clients = [classifier("evonorm_b0") for _ in range(2)]
    assert [len(moving(client)) for client in clients] == [2, 2]
    for seed, client in enumerate(clients):
        client(images(seed=seed), training=True)
    server = classifier("evonorm_b0")
    server.set_weights(averaged(clients, [1, 3]))
    for value, one, two in zip(moving(server), *map(moving, clients), strict=True):
        np.testing.assert_allclose(value, (one + 3 * two) / 4, rtol=1e-6)
    kept = moving(clients[0])
    for variable, value in zip(variables(clients[0]), variables(server), strict=True):
        variable.assign(value)
    for old, new in zip(kept, moving(clients[0]), strict=True):
        np.testing.assert_array_equal(old, new)


def test_an_average_of_variances_is_not_the_variance_of_all_data():
    parts = [images(), images(seed=1) + 4]
    clients = [en.EvoNormB0(momentum=0.0) for _ in parts]
    for client, part in zip(clients, parts, strict=True):
        client(part, training=True)
    average = np.mean([client.moving_variance.numpy() for client in clients], 0)
    means = [part.mean((0, 1, 2)) for part in parts]
    of_all = np.concatenate(parts).var((0, 1, 2))
    np.testing.assert_allclose(average + np.var(means, 0), of_all, rtol=1e-4)
    assert (of_all > 1.5 * average).all()
