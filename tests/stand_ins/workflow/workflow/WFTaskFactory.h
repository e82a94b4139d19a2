#pragma once
#include "WFHttpServer.h"
