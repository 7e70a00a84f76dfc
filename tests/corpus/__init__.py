"""What real executors said of builds that failed, one log a cause, and how to record them anew."""
