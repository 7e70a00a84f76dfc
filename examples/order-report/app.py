"""Orders by month, read from PostgreSQL, as a chart: what a small service with large dependencies looks like."""

import io
import os
from typing import Final

import pandas
import psycopg2
from flask import Flask, Response
from matplotlib.figure import Figure
from waitress import serve

PORT: Final = 8080
QUERY: Final = "SELECT placed_at, amount FROM orders"

app = Flask("order-report")


def by_month(orders: pandas.DataFrame) -> pandas.Series:
    """The sum of the orders of each month."""
    return orders.groupby(orders["placed_at"].dt.to_period("M"))["amount"].sum()


@app.get("/")
def chart() -> Response:
    """The chart as a PNG."""
    with psycopg2.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        cursor.execute(QUERY)
        orders = pandas.DataFrame(cursor.fetchall(), columns=["placed_at", "amount"])
    figure, picture = Figure(), io.BytesIO()
    by_month(orders).plot.bar(ax=figure.subplots())
    figure.savefig(picture, format="png")
    return Response(picture.getvalue(), mimetype="image/png")


if __name__ == "__main__":
    # All addresses of its own container: the Pod's network is the boundary.
    serve(app, host="0.0.0.0", port=PORT)  # noqa: S104
