import datetime

import pytest
import torch

from i2lc.nn_bank import LTAEClassifier, build
from i2lc.nn_bank.layers import positions

DATES = [datetime.date(2018, 3, 1), datetime.date(2018, 3, 11), datetime.date(2019, 1, 2)]


def network(**parameters):
    parameters = {"n_head": 2, "d_k": 3, "d_model": 8, "mlp": 6, "dropout": 0.0} | parameters
    built = build("LTAEClassifier", 3, 2, 4, parameters).eval()
    built.set_dates(DATES)
    return built


def samples(count=5):
    return torch.randn(count, 3, 2, generator=torch.Generator().manual_seed(0))


def of_the_paper(net, x, validity=None):
    """Attend as written in the paper: channels and keys of each date, then the heads' means."""
    channels = net.embedding(x) + positions(net.days, 4, 1000.0).repeat(1, 2)
    keys = net.keys(channels).unflatten(2, net.query.shape)
    scores = (keys * net.query).sum(dim=-1) / net.query.shape[1] ** 0.5
    if validity is not None:
        scores = scores.masked_fill((validity != 0).unsqueeze(-1), -torch.inf)
    weights = torch.softmax(scores, dim=1)
    return (channels.unflatten(2, (2, 4)) * weights.unsqueeze(-1)).sum(dim=1).flatten(1)


@pytest.mark.parametrize("masked", [False, True])
def test_is_the_attention_of_the_paper(masked):
    net, x = network(), samples()
    validity = torch.tensor([[0, 1, 0], [2, 0, 0], [0, 0, 0], [0, 1, 2], [0, 0, 1]]).byte()
    validity = validity if masked else None
    means = net._means(x, net._attention(x, validity))
    torch.testing.assert_close(means, of_the_paper(net, x, validity))
    logits = net.decoder(net.norm(net.encoder(of_the_paper(net, x, validity))))
    torch.testing.assert_close(net(x, validity), logits)


def test_positions_are_those_of_the_days():
    assert network().days.tolist() == [59, 69, 366]
    got = positions(torch.tensor([0.0, 59.0]), 3, 1000.0)
    angle = torch.tensor(59.0)
    expected = [angle.sin(), angle.cos(), (angle / 1000 ** (2 / 3)).sin()]
    torch.testing.assert_close(got[1], torch.stack(expected))
    assert got[0].tolist() == [0, 1, 0]


def test_other_dates_are_another_result():
    net, x = network(), samples()
    before = net(x)
    net.set_dates([DATES[0], DATES[1], datetime.date(2018, 9, 1)])
    assert not torch.allclose(before, net(x))


@pytest.mark.parametrize("mark", [1, 2])
def test_a_date_that_is_not_valid_is_not_seen(mark):
    net, x = network(), samples()
    validity = torch.zeros(5, 3, dtype=torch.uint8)
    validity[:, 1] = mark
    other = x.clone()
    other[:, 1] = torch.nan
    assert torch.equal(net(x, validity), net(other, validity))
    assert not torch.allclose(net(x, validity), net(x))


@pytest.mark.parametrize("training", [True, False])
def test_no_valid_date_at_all(training):
    net = network(dropout=0.2).train(training)
    x, validity = torch.full((5, 3, 2), torch.nan), torch.full((5, 3), 2, dtype=torch.uint8)
    logits = net(x, validity)
    assert logits.isfinite().all()
    logits.sum().backward()
    assert all(p.grad.isfinite().all() for p in net.parameters())
    assert LTAEClassifier.reads_raw_dates


def test_attention_is_a_mean():
    weights = network()._attention(samples(), None)
    assert weights.shape == (5, 2, 3)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(5, 2))
