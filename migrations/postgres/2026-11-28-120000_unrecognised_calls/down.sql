DROP TABLE unrecognised_calls;
